package behind_test

import (
	"context"
	"fmt"
	"os"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/behind"
)

// Views are counted behind the readers' backs; the list that shows them is outdated when they are stored.
func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	views := map[string]int{} // what a database would have
	queue, err := behind.Open(behind.Config{
		Dir: dir,
		Sink: func(_ context.Context, writes []behind.Write) error {
			for _, w := range writes { // in one transaction, which also remembers w.ID: a write may come twice
				views[w.Key]++
			}
			return nil
		},
		Outdate: func(_ context.Context, tags ...folio.Tag) error { // cache.InvalidateTags
			fmt.Println("outdated:", tags)
			return nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	for range 3 {
		if err := queue.Put(ctx, behind.Write{Key: "event:7", Tags: []folio.Tag{"event:7"}}); err != nil {
			fmt.Println(err) // it is not on disk: tell whoever asked for it
		}
	}
	n, err := queue.Flush(ctx)
	fmt.Println(n, "done:", views, err)
	if err := queue.Close(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// outdated: [event:7]
	// 3 done: map[event:7:3] <nil>
}
