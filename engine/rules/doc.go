// Package rules is the rule language: one expression over a customer that is true or false.
//
// A rule goes through four stages, a file or two each: parse (text to expr's tree, within limits), check (names and
// types: the checked tree), normalise (what is missing, and what an operator means for its types, made explicit) and
// compile (a program for expr's VM). Compile is the table of contents.
//
// Why a checked tree of our own: expr's tree has no money, no calendar dates and no missing values. Every executor
// starts from the same checked tree, so that a rule is typed once and means one thing; the tests hold a naive
// interpreter of that tree, and random rules must get the same answer from it and from the VM.
//
// Why the VM calls our functions for nearly everything: expr's own operators fail at run time on a missing value, and
// convert types by reflection. The program uses the VM's jumps, scopes and loops; comparison, arithmetic and calendar
// are typed Go functions bound to the tree when it is compiled. A rule that compiles has no error left at run time.
//
// Why missing values are two-valued: a marketer reads `!(score > 5)` as "everybody else". A comparison with a missing
// value is false, arithmetic with one is missing, and == is SQL's IS NOT DISTINCT FROM.
//
// Why lists differ: an absent list is empty for closures, len, `in` and aggregates, while `tags == nil` and `??` still
// tell an absent list attribute from an empty one. A history is never missing. Aggregates skip missing elements, as
// SQL's do, and exact sums overflow only when the total does.
//
// Why numbers meet money as decimals: 199.9 as a number has no exact binary form, so a number is compared with money
// by its shortest decimal form, which is what the marketer typed. A number and an int are compared by exact value.
//
// Why a rank is a look at constants: percentile(x) and ntile(x, n) depend on all customers, so their cut points are worked
// out once for an evaluation (Ranks, Ranking) and given to the rule (Ranked). From then on a rank is a search among at
// most a thousand cuts of (x, id), and one that is compared with a constant is bound to a range of x; the id decides only
// where a bucket begins among customers with one value.
//
// Why segments and computed attributes are trees, and no text put into text: they are typed by themselves, see no let and
// no element of those who use them, and are checked once however often a rule names them.
package rules
