// Package peer carries messages between nodes, encrypted, to whom they are
// meant and to nobody else: libp2p over TCP or QUIC.
//
//	Ask ──▶ stream: greeting, request ──▶ serve: limits, greeting checked
//	                                        │ seen before? the same answer
//	                                        ▼
//	    ◀── greeting, answer ◀───────────  handler
//
// A node is known by its libp2p peer id, which holds its secp256k1 public key.
// In the greeting that opens every stream, both ways, it shows protocol version
// and realm, and an account on an EVM chain that signed for this peer id.
//
// An Ask is one stream, to a node by its identity; that is how the swap desk
// speaks. [Lines] go from account to account, wherever its node is, and keep what
// is said in order: one stream of many requests, made anew when it breaks. That is
// how partners of channels speak.
//
// The one rule: a request has an id, and the receiver's handler sees each id
// once, however often a broken line makes the asker send it again. Only while
// this process lives and the answer is remembered (see [Config]): what must hold
// beyond that is the handler's to see to.
//
// Start reading at [Node], then [Node.Ask] and its other end in serve.go, then
// [Lines.Ask] and its other end in talk.go. Each file is one chapter: identity.go
// who is who, frame.go the bytes, partners.go limits and remembered answers,
// parties.go accounts and their nodes, book.go addresses, lan.go discovery.
package peer
