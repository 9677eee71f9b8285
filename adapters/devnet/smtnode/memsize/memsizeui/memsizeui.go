// Package memsizeui stands in for the debugging page of that name, which reaches
// into the Go runtime in a way that newer linkers refuse. The SMT node never
// shows the page.
package memsizeui

import "net/http"

// A Handler is the page: not found.
type Handler struct{}

// Add would list an object on the page.
func (*Handler) Add(string, any) {}

// ServeHTTP answers 404.
func (*Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }
