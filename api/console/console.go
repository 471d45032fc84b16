// Package console holds the pages of the console, embedded.
//
// Why static files and no templates: the console uses the public API only, so whatever it shows can be asked for by any
// program, and what a key may not read a page cannot show. The key stays in the browser's session and is sent with each
// call. Nothing is loaded from elsewhere: the pages work under a policy that allows this server alone.
package console

import (
	"embed"
	"io/fs"
)

//go:embed files
var files embed.FS

// Files are the pages by name: index.html, console.css, console.js.
func Files() (fs.FS, error) { return fs.Sub(files, "files") }

// Policy is the Content-Security-Policy that the pages work under.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
