module github.com/vanth-io/vanth/sdk/go

go 1.24
