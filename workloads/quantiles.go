package workloads

import (
	"strconv"
	"strings"
)

// quantiles is a distribution given by measured quantiles: between two of them the logarithm of
// the value is linear in the probability, beyond the first and the last it goes on likewise.
type quantiles []quantile

type quantile struct{ p, log float64 }

// quantiles returns a list such as "50:3587,90:10715": percents and positive values, rising.
func (v Values) quantiles(name string) quantiles {
	var q quantiles
	for text := range strings.SplitSeq(v.Text(name), ",") {
		percent, value, _ := strings.Cut(text, ":")
		p, err := strconv.ParseFloat(percent, 64)
		x, err2 := strconv.ParseFloat(value, 64)
		rising := len(q) == 0 || p/100 > q[len(q)-1].p
		if err != nil || err2 != nil || !(p >= 0 && p <= 100 && x > 1e-9 && x < 1e12) || !rising {
			v.fail(name, "a rising list of PERCENT:VALUE")
			return quantiles{{0, 0}, {1, 0}}
		}
		q = append(q, quantile{p / 100, exactLog(x)})
	}
	if len(q) < 2 {
		v.fail(name, "a list of at least two PERCENT:VALUE")
		return quantiles{{0, 0}, {1, 0}}
	}
	return q
}

// at returns the value at probability u, 0..1.
func (q quantiles) at(u float64) float64 {
	i := 1
	for i < len(q)-1 && u > q[i].p {
		i++
	}
	a, b := q[i-1], q[i]
	return exactExp(a.log + float64((u-a.p)/(b.p-a.p)*(b.log-a.log)))
}
