module github.com/vanth-io/vanth/bench/testdata/goguest

go 1.24

require github.com/vanth-io/vanth/sdk/go v0.0.0

replace github.com/vanth-io/vanth/sdk/go => ../../../sdk/go
