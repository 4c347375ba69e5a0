package memcached

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Size is tier.Sizer's: what the servers take, others' data included, and their -m.
func (t *Tier) Size(ctx context.Context) (used, most int64, err error) {
	var faults []error
	for _, one := range t.config.Servers {
		u, m, err := t.size(ctx, address(one))
		used, most, faults = used+u, most+m, append(faults, failed(err))
	}
	return used, most, errors.Join(faults...)
}

// size asks one server for its stats, which the client does not.
func (t *Tier) size(ctx context.Context, a address) (used, most int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c, err := t.config.dial(ctx, a.Network(), a.String())
	if err != nil {
		return 0, 0, err
	}
	defer c.Close()
	end, _ := ctx.Deadline()
	if err := c.SetDeadline(end); err != nil {
		return 0, 0, err
	}
	if _, err := fmt.Fprint(c, "stats\r\n"); err != nil {
		return 0, 0, err
	}
	for lines := bufio.NewScanner(c); lines.Scan(); {
		f := strings.Fields(lines.Text())
		switch {
		case len(f) == 1 && f[0] == "END":
			return used, most, nil
		case len(f) == 3 && f[1] == "bytes":
			used, err = strconv.ParseInt(f[2], 10, 64)
		case len(f) == 3 && f[1] == "limit_maxbytes":
			most, err = strconv.ParseInt(f[2], 10, 64)
		}
		if err != nil {
			return 0, 0, err
		}
	}
	return 0, 0, errors.New("stats: no end")
}
