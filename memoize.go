package folio

import (
	"context"
	"encoding/json"
	"fmt"
)

// Memoize wraps a function of a key so that its results are cached as JSON under name and key: a
// second call of one key gets the first one's result, until it expires or KeyTag(name + ":" + key)
// is invalidated; what separates fields in a name is escaped. The key is one as [Cache.Get] has it: no
// other must be the same. Errors are not kept, but for [ErrNotFound].
func Memoize[T any](c *Cache, name string, f func(ctx context.Context, key string) (T, error)) func(context.Context, string) (T, error) {
	prefix := string(append(appendField(nil, name), ':'))
	return func(ctx context.Context, key string) (v T, err error) {
		body, err := c.Get(ctx, prefix+key, func(ctx context.Context) ([]byte, error) {
			v, err := f(ctx, key)
			if err != nil {
				return nil, err
			}
			return json.Marshal(v)
		})
		if err != nil {
			return v, err
		}
		if err := json.Unmarshal(body, &v); err != nil {
			return v, fmt.Errorf("folio: what is stored under %s%s is no result of this function: %w", prefix, key, err)
		}
		return v, nil
	}
}
