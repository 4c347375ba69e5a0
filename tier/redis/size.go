package redis

import (
	"context"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Size is tier.Sizer's: what the servers take, others' data included, and their maxmemory.
func (t *Tier) Size(ctx context.Context) (used, most int64, err error) {
	var mu sync.Mutex // masters are asked side by side
	add := func(ctx context.Context, c redis.Cmdable) error {
		text, err := c.Info(ctx, "memory").Result()
		mu.Lock()
		defer mu.Unlock()
		used += field(text, "used_memory")
		most += field(text, "maxmemory")
		return err
	}
	if cluster, ok := t.main.(*redis.ClusterClient); ok {
		err = cluster.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error { return add(ctx, c) })
	} else {
		err = add(ctx, t.main)
	}
	return used, most, failed(err)
}

// field returns a number of INFO's.
func field(text, name string) int64 {
	for line := range strings.Lines(text) {
		if k, v, _ := strings.Cut(strings.TrimSpace(line), ":"); k == name {
			n, _ := strconv.ParseInt(v, 10, 64) // what is none is 0
			return n
		}
	}
	return 0
}
