// Package hashicorp is what protoc generates from work.proto for gRPC, which
// github.com/hashicorp/go-plugin speaks.
package hashicorp
