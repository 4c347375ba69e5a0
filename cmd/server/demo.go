package main

import "errors"

// demoCmd is server demo.
type demoCmd struct{}

// Run drives traffic.
func (demoCmd) Run(*streams) error { return errors.New("not yet") }
