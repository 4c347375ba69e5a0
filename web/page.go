package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"strings"
)

// page is the dashboard as it is sent.
type page struct {
	body   []byte
	policy string // Content-Security-Policy: this page's own script and style, and nothing else
}

func newPage(title string) (page, error) {
	t, err := template.ParseFS(files, "dashboard.html")
	if err != nil {
		return page{}, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, map[string]string{"Title": title}); err != nil {
		return page{}, err
	}
	text := b.String()
	return page{b.Bytes(), fmt.Sprintf("default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; script-src %s; style-src %s",
		hashes(text, "script"), hashes(text, "style"))}, nil
}

// hashes names the inline elements of a page by what is in them.
func hashes(text, element string) string {
	var all []string
	for rest := text; ; {
		_, after, ok := strings.Cut(rest, "<"+element+">")
		if !ok {
			return strings.Join(all, " ")
		}
		content, behind, _ := strings.Cut(after, "</"+element+">")
		sum := sha256.Sum256([]byte(content))
		all, rest = append(all, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'"), behind
	}
}

func (p *page) serve(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", p.policy)
	_, _ = w.Write(p.body) // who is gone needs no answer
}
