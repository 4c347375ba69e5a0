package workloads

import "math"

// The functions of this file give the same bits on every GOARCH, which math.Exp and math.Log do
// not: some architectures have them in assembly, and some compilers fuse x*y + z. The explicit
// conversions forbid the fusing (Go specification, "Floating-point operators"). Against package
// math the tests find relative errors below 4e-15 (exp), absolute ones below 1e-13 (sin).

const (
	ln2High = 0x1.62e42feep-1 // ln 2 to 32 bits, so that times a small integer is exact
	ln2Low  = 0x1.a39ef35793c76p-33
)

// exactExp returns e^x.
func exactExp(x float64) float64 {
	k := math.Floor(x/math.Ln2 + 0.5)
	r := x - float64(k*ln2High) - float64(k*ln2Low)
	sum := 1.0
	for n := 14.0; n >= 1; n-- { // Taylor by Horner, |r| <= 0.35
		sum = 1 + float64(sum*float64(r/n))
	}
	return math.Ldexp(sum, int(k))
}

// exactLog returns the natural logarithm of a positive, finite x.
func exactLog(x float64) float64 {
	fraction, exponent := math.Frexp(x)
	if fraction < math.Sqrt2/2 {
		fraction, exponent = fraction*2, exponent-1
	}
	s := (fraction - 1) / (fraction + 1) // ln f = 2 (s + s³/3 + s⁵/5 …), |s| <= 0.172
	square := float64(s * s)
	sum := 0.0
	for n := 21.0; n >= 1; n -= 2 {
		sum = 1/n + float64(sum*square)
	}
	k := float64(exponent)
	return float64(2*s*sum) + float64(k*ln2Low) + float64(k*ln2High)
}

// exactSin returns the sine of turns full circles.
func exactSin(turns float64) float64 {
	turns -= math.Floor(turns + 0.5) // -0.5 … 0.5
	switch {
	case turns > 0.25:
		turns = 0.5 - turns
	case turns < -0.25:
		turns = -0.5 - turns
	}
	x := float64(turns * (2 * math.Pi))
	square, sum := float64(x*x), 1.0
	for n := 20.0; n >= 2; n -= 2 {
		sum = 1 - float64(sum*float64(square/(n*(n+1))))
	}
	return x * sum
}
