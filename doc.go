// Package folio caches paginated list endpoints in process.
package folio
