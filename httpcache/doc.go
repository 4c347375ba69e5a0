// Package httpcache is a shared cache of HTTP responses in front of a net/http handler: paginated list endpoints
// above all, in a program of its own ([Proxy]) or round the handler that makes them.
//
//	cache, err := folio.New(folio.Config{MaxBytes: 256 << 20})
//	h, err := httpcache.New(httpcache.Config{Cache: cache, Next: mux, Routes: []httpcache.Route{{
//		Name: "tickets", Pattern: "/api/tickets", Scope: principal, TTL: time.Minute,
//		Params: httpcache.Params{Page: "page", Limit: "limit", Sort: "sort", Filters: []string{"status"}},
//	}}})
//
// What no route maps passes by. What one does is answered from the cache by the rules of RFC 9111, as a shared cache:
// freshness, validation, Vary, invalidation by unsafe methods; with stale-while-revalidate and stale-if-error (RFC
// 5861), targeted Cache-Control (RFC 9213), Cache-Status (RFC 9211) and Cache-Groups (RFC 9875).
//
// # What is part of a key
//
// Host, path, the principal's scope, and the parameters that the route declares, in canonical form: the origin is
// asked with that form, not with what the client sent, so that nothing that is not in the key changes what is stored
// under it. A scope comes from a verified principal, never from a parameter; a request whose scope is unknown passes by.
//
// # Reading the code
//
// handler.go is the way of a request, key.go what its page is known by, policy.go what may be stored and how long it is
// fresh, fetch.go how the origin is asked, response.go what is stored, write.go what unsafe methods outdate.
package httpcache
