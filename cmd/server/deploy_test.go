package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// TestMetricsThatAreShownExist: what dashboards and alert rules ask for is what the server exports.
func TestMetricsThatAreShownExist(t *testing.T) {
	s := start(t, here()...)
	ask(t, "GET", s.api+"/api/tickets?user=1", "")
	_, exported := ask(t, "GET", s.admin+"/metrics", "")
	for _, file := range []string{"grafana.json", "alerts.yaml"} {
		text, err := os.ReadFile(filepath.Join("../../deploy", file))
		if err != nil {
			t.Fatal(err)
		}
		names := regexp.MustCompile(`\b(folio|process)_[a-z_]+\b`).FindAllString(string(text), -1)
		if len(names) < 10 {
			t.Errorf("%s: only %q", file, names)
		}
		for _, name := range names {
			if !strings.Contains(exported, "\n"+name+" ") && !strings.Contains(exported, "\n"+name+"{") {
				t.Errorf("%s: there is no %s", file, name)
			}
		}
		var any any
		if err := yaml.Unmarshal(text, &any); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// TestDemoTellsItsTale: from the first miss to who rules.
func TestDemoTellsItsTale(t *testing.T) {
	var out, errs strings.Builder
	if code := run(t.Context(), here("demo", "--for=1s", "--readers=2"), &out, &errs); code != exitFine {
		t.Fatalf("status %d: %s", code, errs.String())
	}
	for _, want := range []string{"fwd=miss", "; hit", "pages, sorts, filters", "brought along", "400 Bad Request", "hit ratio", "page 1", "(rules)"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not tell %q:\n%s", want, out.String())
		}
	}
}
