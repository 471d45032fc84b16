package rules

import "pgregory.net/rapid"

// What tests outside of the package need to draw rules and customers for the executor that runs on PostgreSQL.

// PushdownSchema is the shop that rules are drawn for.
func PushdownSchema() *Schema { return shop() }

// PushdownInstant draws an instant and a zone.
func PushdownInstant(t *rapid.T) Instant { return someInstant(t) }

// PushdownCustomer draws a customer with histories.
func PushdownCustomer(t *rapid.T, at Instant) Record { return someCustomer(t, shop().customer, at) }
