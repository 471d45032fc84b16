// Package campaigns holds the nouns of Beckon: what each is, which values it may take and which moves it allows.
//
// It does no I/O, reads no clock and knows neither SQL nor HTTP, so that every rule about a noun can be read and tested
// in the noun's own file. Money is int64 minor units of the workspace's currency throughout.
package campaigns
