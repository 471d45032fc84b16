// Package audience finds the customers who match a rule.
//
// It holds the executors that work on many customers at once; each reads the columns and histories that a rule names, and
// no others. The reference executor reads customers in spans of their numbers from one snapshot, builds a record for each
// and asks the compiled rule.
//
// Why spans: a record with its histories lives only while its span is looked at, so that memory does not grow with the
// number of customers.
//
// The image holds what rules use of customers and their histories as columns in memory. It goes through three stages, some
// files each: build (columns, texts and child tables that are set, widened, sorted and packed), load (PostgreSQL's binary
// COPY taken apart, value by value, straight into them) and image (what is held, who reads, how changes are followed).
//
// Why the image follows a table of changes: a catch-up reads, in the snapshot of the reader, the notes of the transactions
// that were not visible at the image's position, and then what is held of those customers. What is read twice is put in
// its place twice, so that nothing depends on the order in which writers commit.
//
// Why a load needs no lock: it has a position of its own. When it is installed the image's position becomes what both have
// seen, and the next catch-up applies what lies between.
//
// The pushdown executor writes a rule as one SQL condition with parameters. Why it answers in three ways: what PostgreSQL
// cannot say exactly as the reference does (a calculation near the ends of floating point, a conjunct without an SQL form)
// is NULL or left out, never guessed, and the customers concerned are finished with the reference in the same snapshot.
package audience
