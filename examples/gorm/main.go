// Gorm is a list over GORM: callbacks notice which rows are written, and what shows them is
// invalidated after the commit, be it of a single statement or of a transaction.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/glebarez/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/foliocache/folio"
)

// Order is a row.
type Order struct {
	ID   uint
	Shop string `gorm:"index"`
	Item string
}

// Tags says which lists show an order.
func (o *Order) Tags() []folio.Tag { return []folio.Tag{folio.Tag("orders:shop:" + o.Shop)} }

// tagged is a row that knows what shows it.
type tagged interface{ Tags() []folio.Tag }

// Invalidator is a GORM plugin. Use Transaction in place of the database's own.
type Invalidator struct{ cache *folio.Cache }

// Name returns the plugin's name.
func (Invalidator) Name() string { return "folio" }

// Initialize has GORM call back behind the commit of each statement that writes.
func (i Invalidator) Initialize(db *gorm.DB) error {
	const commit, name = "gorm:commit_or_rollback_transaction", "folio:invalidate"
	if err := db.Callback().Create().After(commit).Register(name, i.written); err != nil {
		return err
	}
	if err := db.Callback().Update().After(commit).Register(name, i.written); err != nil {
		return err
	}
	return db.Callback().Delete().After(commit).Register(name, i.written)
}

type changesKey struct{}

// written invalidates what shows a row, or leaves that to the transaction it was written in.
func (i Invalidator) written(db *gorm.DB) {
	row, ok := db.Statement.Model.(tagged)
	if !ok {
		return
	}
	ctx := db.Statement.Context
	if changed, ok := ctx.Value(changesKey{}).(*[]folio.Tag); ok {
		*changed = append(*changed, row.Tags()...)
		return
	}
	_ = db.AddError(i.cache.InvalidateTags(context.WithoutCancel(ctx), row.Tags()...))
}

// Transaction runs a transaction and invalidates what it wrote after its end: rolled back or not, as a
// commit that fails may have happened all the same.
func (i Invalidator) Transaction(ctx context.Context, db *gorm.DB, f func(tx *gorm.DB) error) error {
	var changed []folio.Tag
	err := db.WithContext(context.WithValue(ctx, changesKey{}, &changed)).Transaction(f)
	if fault := i.cache.InvalidateTags(context.WithoutCancel(ctx), changed...); err == nil {
		err = fault
	}
	return err
}

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "folio-gorm")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	db, err := gorm.Open(sqlite.Open(filepath.Join(dir, "orders.db")), &gorm.Config{Logger: logger.Discard})
	if err != nil {
		return err
	}
	if err := db.AutoMigrate(&Order{}); err != nil {
		return err
	}
	cache, err := folio.New(folio.Config{MaxBytes: 16 << 20, OnHeap: true})
	if err != nil {
		return err
	}
	defer cache.Close(ctx)
	invalidator := Invalidator{cache}
	if err := db.Use(invalidator); err != nil {
		return err
	}
	orders, err := folio.NewList(cache, folio.ListConfig[Order]{Name: "orders",
		Load: func(ctx context.Context, q folio.Query, r folio.Range) (rows []Order, err error) {
			err = db.WithContext(ctx).Where("shop = ?", q.Scope.ID).Order("id").Limit(r.Limit).Offset(r.Offset).Find(&rows).Error
			return rows, err
		}})
	if err != nil {
		return err
	}
	show := func(what string) error {
		fmt.Println(what)
		for _, shop := range []string{"bakery", "florist"} {
			q, err := orders.Query(folio.Params{Scope: folio.Scope{Kind: "shop", ID: shop}})
			if err != nil {
				return err
			}
			p, err := orders.Page(ctx, q)
			if err != nil {
				return err
			}
			fmt.Printf("  %-8s %-4s %v\n", shop, p.Source, p.Items)
		}
		return nil
	}
	first := &Order{Shop: "bakery", Item: "bread"}
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"empty", func() error { return nil }},
		{"an order", func() error { return db.WithContext(ctx).Create(first).Error }},
		{"nothing new", func() error { return nil }},
		{"two orders in a transaction", func() error {
			return invalidator.Transaction(ctx, db, func(tx *gorm.DB) error {
				if err := tx.Create(&Order{Shop: "bakery", Item: "cake"}).Error; err != nil {
					return err
				}
				return tx.Create(&Order{Shop: "florist", Item: "rose"}).Error
			})
		}},
		{"one changed", func() error { return db.WithContext(ctx).Model(first).Update("item", "rye bread").Error }},
		{"one gone", func() error { return db.WithContext(ctx).Delete(first).Error }},
	} {
		if err := step.do(); err != nil {
			return err
		}
		if err := show(step.what); err != nil {
			return err
		}
	}
	return nil
}
