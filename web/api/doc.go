// Package api is openapi.yaml in Go: its types, the server's interface, the
// client. All but this file is generated.
//
// The one rule: edit web/openapi.yaml, then go generate ./web/api. A test in
// package web compares.
//
// Start reading at [StrictServerInterface].
package api

//go:generate go tool oapi-codegen -config server.yaml ../openapi.yaml
//go:generate go tool oapi-codegen -config client.yaml ../openapi.yaml
