// Package store keeps the nouns in PostgreSQL. All SQL is here and only here: the same noun, the same file name.
//
// View and Update are the ways to a query. A transaction carries its time (Tx.Now, read once from the clock given to
// Open), and SQL gets it as a parameter: a test, the demo and the simulation move the clock and the database follows.
//
// Why customers.no is the key of everything large: it is the distribution column when one machine is too small, the row
// number of the image in memory and the index of every bitmap. So each primary key begins with it, joins go through it,
// and no foreign key or unique index lacks it; what must be found without the customer (ids, orders, codes, addresses)
// has a small lookup table keyed by itself.
//
// Why there are no triggers, no now() and no SKIP LOCKED over large tables: a distributed PostgreSQL refuses them, and a
// moved clock could not reach them. What must happen once is decided by one guarded statement (an INSERT that only one
// can win, an UPDATE whose WHERE names the state it expects), never by who is leader.
//
// Method names say the access: Campaign reads, LockCampaign reads for update, ClaimX leases, CreateX SaveX QueueX
// FinishX write.
package store
