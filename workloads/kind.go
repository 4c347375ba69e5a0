package workloads

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
)

// Kind is one generator of requests. Each lives in a file of its own and registers itself.
type Kind struct {
	Name, Doc string
	Params    []Param
	Presets   []Preset // named sets of parameters, chosen by preset=NAME

	// New checks the parameters and returns the stream, which every range starts over: the same
	// parameters give the same requests on every machine. size is their number, 0 = not known.
	New func(v Values) (requests iter.Seq2[Request, error], size int64, err error)
}

// Preset is a named set of parameters; those given beside it win.
type Preset struct {
	Name, Doc string
	Set       map[string]string
}

var kinds = map[string]Kind{}

// registerKind adds k under its name.
func registerKind(k Kind) {
	if _, twice := kinds[k.Name]; twice {
		panic("workloads: generator " + k.Name + " registered twice")
	}
	if len(k.Presets) > 0 {
		k.Params = append(slices.Clip(k.Params), presetParam(k.Presets))
	}
	kinds[k.Name] = k
}

func presetParam(presets []Preset) Param {
	names := make([]string, len(presets))
	for i, p := range presets {
		names[i] = p.Name
	}
	return Param{Name: "preset", Doc: "a named set of parameters: " + strings.Join(names, " ")}
}

// Kinds returns every registered generator, by name.
func Kinds() []Kind {
	all := make([]Kind, 0, len(kinds))
	for _, k := range kinds {
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b Kind) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// KindNamed returns the generator of that name; ErrParameter offers the nearest names.
func KindNamed(name string) (Kind, error) {
	if k, ok := kinds[name]; ok {
		return k, nil
	}
	names := make([]string, 0, len(kinds))
	for _, k := range Kinds() {
		names = append(names, k.Name)
	}
	return Kind{}, fmt.Errorf("%w: unknown generator %q%s", ErrParameter, name, didYouMean(name, names))
}

// openGenerator opens KIND?param=value.
func openGenerator(text string) (*Source, error) {
	requests, size, err := generate(text)
	if err != nil {
		return nil, &Error{Path: generatorPrefix + text, Err: err}
	}
	source := &Source{Name: generatorPrefix + text, Format: "gen", Size: size}
	source.open = func() iter.Seq2[Request, error] { return metered(requests, source) }
	source.digest = sync.OnceValues(func() (string, error) { return Digest(requests) })
	return source, nil
}

func generate(text string) (iter.Seq2[Request, error], int64, error) {
	name, raw, _ := strings.Cut(text, "?")
	kind, err := KindNamed(name)
	if err != nil {
		return nil, 0, err
	}
	values, err := parseValues(kind.Params, raw)
	if err == nil {
		err = kind.apply(values)
	}
	if err != nil {
		return nil, 0, err
	}
	return kind.New(values)
}

// apply sets the parameters of the chosen preset, except those given beside it.
func (k Kind) apply(v Values) error {
	name := v.set["preset"]
	if name == "" {
		return nil
	}
	var names []string
	for _, preset := range k.Presets {
		if preset.Name == name {
			for param, value := range preset.Set {
				if _, given := v.set[param]; !given {
					v.set[param] = value
				}
			}
			return nil
		}
		names = append(names, preset.Name)
	}
	return fmt.Errorf("%w: unknown preset %q%s", ErrParameter, name, didYouMean(name, names))
}

// metered reports progress every 4096 requests and at the end.
func metered(requests iter.Seq2[Request, error], source *Source) iter.Seq2[Request, error] {
	report, total := source.Progress, source.Size
	if report == nil {
		return requests
	}
	return func(yield func(Request, error) bool) {
		var done int64
		for request, err := range requests {
			if !yield(request, err) {
				return
			}
			if done++; done%4096 == 0 {
				report(done, total)
			}
		}
		report(done, total)
	}
}
