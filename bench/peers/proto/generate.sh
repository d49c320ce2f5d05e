#!/bin/sh
# Writes the .pb.go files of this folder anew: `go generate ./proto/...`. It needs
# protoc (Debian package protobuf-compiler). The plugins of protoc are pinned here.
set -e
cd "$(dirname "$0")"
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
GOBIN=$bin go install github.com/knqyf263/go-plugin/cmd/protoc-gen-go-plugin@v0.9.0
GOBIN=$bin go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
GOBIN=$bin go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
PATH=$bin:$PATH
protoc -I knqyf --go-plugin_out=knqyf --go-plugin_opt=paths=source_relative work.proto
protoc -I hashicorp --go_out=hashicorp --go_opt=paths=source_relative \
  --go-grpc_out=hashicorp --go-grpc_opt=paths=source_relative work.proto
