// Package web is the world that calls us: the HTTP API of a node, its events,
// and the Go client of it. Beside it stands the board, which shows offers of many
// makers to everybody: board.go serves it, shelf.go is its list, boardclient.go
// asks one.
//
//	request ─▶ guard ─▶ check ─▶ handler ─▶ port        Maker Taker Book Wallet …
//	           token    against   offers.go   (ports.go)   Channels Payer Archive
//	           Host     openapi   swaps.go
//	                    .yaml     wallet.go
//	                              channels.go
//	                              payments.go, invoices.go
//	                                │
//	        problem.go ◀── error ───┴── answer ─▶ view.go, payview.go ─▶ JSON, CSV
//	        Feed.Publish ─▶ ring ─▶ /v1/events (feed.go, events.go)
//
// The one rule: openapi.yaml comes first. Package api is generated from it,
// every request is checked against it before a handler sees it, and the tests
// check every answer.
//
// Gin is seen in gin.go and check.go only. A handler is a method that takes and
// returns structs. Raw transactions are in no answer, nor secrets but those of
// receipts: view.go and payview.go name what is shown.
//
// Start reading at [New], then [Config] and ports.go; of the board at [NewBoard].
// Callers start at [Client].
package web
