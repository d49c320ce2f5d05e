package api

import "github.com/vanth-io/vanth/host"

// handler answers a request or returns why it cannot.
type handler func(*Server, *request) error

// route is one line of the table.
type route struct {
	method string
	path   string // at most one segment is {name}
	handle handler
	doc    string
	traits trait
}

// trait is what sets some routes apart.
type trait uint8

const (
	open    trait = 1 << iota // answered without a token
	safe                      // changes nothing, so pages of other origins may ask for it
	ekuiper                   // answers errors as eKuiper does, as text/plain
)

func (r *route) is(t trait) bool { return r.traits&t != 0 }

// routes is the one table of what there is. openapi.yaml says the same, and a
// test holds them together.
func routes() []route {
	list := []route{
		{"GET", "/", root, "version, platform, uptime and memory", open | safe | ekuiper},
		{"POST", "/", root, "the same", open | safe | ekuiper},
		{"GET", "/ping", ping, "200 and nothing else", open | safe | ekuiper},
		{"GET", "/stop", stop, "stop the host in a second", ekuiper},
		{"POST", "/stop", stop, "the same", ekuiper},

		{"GET", "/functions", listFunctions, "every function with its state", safe},
		{"GET", "/functions/{name}", describeFunction, "one function with its state", safe},
		{"POST", "/functions/{name}/call", call, "call a function", 0},
		{"POST", "/functions/{name}/batch", batch, "call a function for many rows", 0},

		{"GET", "/metrics", metrics, "counters in Prometheus's text form", safe},
		{"GET", "/openapi.yaml", openAPI, "this API, described", safe},
	}
	for _, c := range classes() {
		list = append(list, c.routes()...)
	}
	return list
}

// classes are the plugin collections there are.
func classes() []class {
	return []class{
		{host.ClassWASM, "wasm plugin", appendWASM},
	}
}

// routes are those of a plugin collection.
func (c class) routes() []route {
	all := "/plugins/" + string(c.name)
	one := all + "/{name}"
	return []route{
		{"GET", all, c.list, "every " + c.words + " as an object", safe | ekuiper},
		{"POST", all, c.create, "install a " + c.words + " from a URL or from the request's body", ekuiper},
		{"GET", one, c.describe, "one " + c.words, safe | ekuiper},
		{"PUT", one, c.update, "install a version of a " + c.words + " in place of another", ekuiper},
		{"DELETE", one, c.remove, "remove a " + c.words, ekuiper},
	}
}
