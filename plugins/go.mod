module github.com/vanth-io/vanth/plugins

go 1.24.1

require (
	github.com/lf-edge/ekuiper/contract/v2 v2.3.1
	github.com/vanth-io/vanth/sdk/go v0.0.0
)

replace github.com/vanth-io/vanth/sdk/go => ../sdk/go
