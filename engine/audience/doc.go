// Package audience finds the customers who match a rule.
//
// It holds the executors that work on many customers at once; each reads the columns and histories that a rule names, and
// no others. The reference executor reads customers in spans of their numbers from one snapshot, builds a record for each
// and asks the compiled rule.
//
// Why spans: a record with its histories lives only while its span is looked at, so that memory does not grow with the
// number of customers.
//
// The pushdown executor writes a rule as one SQL condition with parameters. Why it answers in three ways: what PostgreSQL
// cannot say exactly as the reference does (a calculation near the ends of floating point, a conjunct without an SQL form)
// is NULL or left out, never guessed, and the customers concerned are finished with the reference in the same snapshot.
package audience
