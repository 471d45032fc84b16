package campaigns

import (
	"errors"
	"fmt"
)

// Code says what a caller can do about an Error. There are six; api/error.go turns each into one HTTP status.
type Code string

const (
	CodeInvalid   Code = "invalid"   // the request's content is wrong: mend the named fields
	CodeConflict  Code = "conflict"  // the state of things forbids it now
	CodeNotFound  Code = "not_found" // there is no such thing
	CodeForbidden Code = "forbidden" // the key may not do this
	CodeStale     Code = "stale"     // somebody else changed it first: read it again

	CodeUnavailable Code = "unavailable" // the service cannot do it at present, such as with a full disk: try again later
)

// Problem is one thing that is wrong with one field. Line and Column count from 1 and are 0 where they mean nothing.
type Problem struct {
	Field   string `json:"field"`
	Message string `json:"message"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

// Error is a failure that its caller can act on. Everything else is a plain wrapped error.
type Error struct {
	Code     Code
	Message  string
	Problems []Problem
	Limit    string // the limit that was reached, for a redemption's 409
	Err      error  // what lies beneath, may be nil
}

// Error is the message for a person.
func (e *Error) Error() string {
	if len(e.Problems) == 1 && e.Message == "" {
		return e.Problems[0].Field + ": " + e.Problems[0].Message
	}
	return e.Message
}

// Unwrap gives what lies beneath.
func (e *Error) Unwrap() error { return e.Err }

// Invalid says that one field of a request cannot be accepted, and why.
func Invalid(field, format string, args ...any) *Error {
	message := fmt.Sprintf(format, args...)
	return &Error{Code: CodeInvalid, Message: field + ": " + message, Problems: []Problem{{Field: field, Message: message}}}
}

// Checks gathers what is wrong with a noun, so that a caller hears of all of it at once.
type Checks []Problem

// Add takes in an error's problems; nil adds nothing.
func (c *Checks) Add(err error) {
	var e *Error
	if errors.As(err, &e) {
		*c = append(*c, e.Problems...)
	}
}

// Under adds an error's problems with a prefix before their fields, such as "lines[2].".
func (c *Checks) Under(prefix string, err error) {
	var e *Error
	if errors.As(err, &e) {
		for _, p := range e.Problems {
			p.Field = prefix + p.Field
			*c = append(*c, p)
		}
	}
}

// Require adds a problem with a field unless ok.
func (c *Checks) Require(ok bool, field, format string, args ...any) {
	if !ok {
		c.Add(Invalid(field, format, args...))
	}
}

// Err is nil when nothing is wrong.
func (c Checks) Err() error { return InvalidAll(c) }

// InvalidAll joins several problems into one error; nil when there are none.
func InvalidAll(problems []Problem) error {
	if len(problems) == 0 {
		return nil
	}
	first := problems[0]
	return &Error{Code: CodeInvalid, Message: first.Field + ": " + first.Message, Problems: problems}
}

// Conflict says that the present state forbids what was asked.
func Conflict(format string, args ...any) *Error {
	return &Error{Code: CodeConflict, Message: fmt.Sprintf(format, args...)}
}

// NotFound names the thing that does not exist.
func NotFound(what, id string) *Error {
	return &Error{Code: CodeNotFound, Message: fmt.Sprintf("there is no %s %q", what, id)}
}

// Forbidden says what the caller's key lacks.
func Forbidden(format string, args ...any) *Error {
	return &Error{Code: CodeForbidden, Message: fmt.Sprintf(format, args...)}
}

// Stale is the answer to an If-Match that no longer holds.
func Stale(what string) *Error {
	return &Error{Code: CodeStale, Message: "the " + what + " was changed since you read it: read it again and repeat the edit"}
}

// Unavailable says what is in the way at present, and what removes it.
func Unavailable(cause error, format string, args ...any) *Error {
	return &Error{Code: CodeUnavailable, Message: fmt.Sprintf(format, args...), Err: cause}
}

// CodeOf is the code of the first Error in err's chain, empty when there is none.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
