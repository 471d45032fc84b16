// Package api lets programs ask: REST over HTTP, described by an OpenAPI document that is made from the types used here.
//
// Why a handler reads and writes nouns itself: there is no layer between it and the store. A verb, something that has
// consequences, is the engine's. So a handler decodes, calls one of the two and encodes, and there is nothing else to
// look for. api.go has all routes on one page.
//
// Why errors meet in one place: a handler returns what went wrong, and error.go alone knows statuses. No handler asks
// what kind of error it has. Nothing that a client sends is an internal error: what the checks let through and PostgreSQL
// refuses is still the client's to mend, and is told so.
//
// Why money is read from its digits: a JSON number is a decimal, and float64 is not. The token is kept as it was sent
// until the workspace's currency says how many decimals it may have.
//
// Why stored answers are sealed: a repeated POST gets the answer of the first, which may hold a new key or a customer's
// address. It is kept encrypted under the caller's own secret and Idempotency-Key, so that the database alone does not
// give it away.
package api
