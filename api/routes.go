package api

import "github.com/vanth-io/vanth/host"

// handler answers a request or returns why it cannot.
type handler func(*Server, *request) error

// route is one line of the table.
type route struct {
	method string
	path   string // at most one segment is {name}; a path without outweighs it, per method
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
	runs                      // runs a function, and changes nothing of the host
)

func (r *route) is(t trait) bool { return r.traits&t != 0 }

// routes is the one table of what there is. openapi.yaml says the same of a
// server that has everything, and a test holds them together.
func routes(o *Options) []route {
	list := []route{
		{"GET", "/", root, "version, platform, uptime and memory", open | safe | ekuiper},
		{"POST", "/", root, "the same", open | safe | ekuiper},
		{"GET", "/ping", ping, "200 and nothing else", open | safe | ekuiper},
		{"GET", "/stop", stop, "stop the host in a second", ekuiper},
		{"POST", "/stop", stop, "the same", ekuiper},

		{"GET", "/functions", listFunctions, "every function with its state", safe},
		{"GET", "/functions/{name}", describeFunction, "one function with its state", safe},
		{"POST", "/functions/{name}/call", call, "call a function", runs},
		{"POST", "/functions/{name}/batch", batch, "call a function for many rows", runs},

		{"GET", "/plugins/udfs", listUDFs, "the names of the functions of functions plugins", safe | ekuiper},
		{"GET", "/plugins/udfs/{name}", describeUDF, "which functions plugin has a function", safe | ekuiper},

		{"GET", "/metrics", metrics, "counters in Prometheus's text form", safe},
		{"GET", "/openapi.yaml", openAPI, "this API, described", safe},
	}
	for _, c := range classes() {
		list = append(list, c.routes()...)
	}
	if o.Rules != nil {
		list = append(list, ruleRoutes()...)
	}
	if o.Uploads != "" {
		list = append(list, uploadRoutes()...)
	}
	return list
}

// classes are the plugin collections there are.
func classes() []class {
	return []class{
		{
			name: host.ClassWASM, item: appendWASM, object: appendWASM, watched: true,
			words: words{
				one:      "wasm plugin",
				creating: "wasm plugin create command error",
				updating: "wasm plugin update command error",
				updated:  "wasm plugin %s is updated",
				deleted:  "wasm plugin %s is deleted",
				unknown:  "wasm plugin %s is not found",
			},
		},
		portableClass(),
		nativeClass(host.ClassSources, "random", "zmq", "sql", "video", "kafka"),
		nativeClass(host.ClassSinks, "image", "influx", "influx2", "zmq", "kafka", "sql"),
		nativeClass(host.ClassFunctions, "accumulateWordCount", "countPlusOne", "echo", "geohash", "image", "labelImage", "tfLite"),
	}
}

// routes are those of a plugin collection.
func (c class) routes() []route {
	all := "/plugins/" + string(c.name)
	one := all + "/{name}"
	list := []route{
		{"GET", all, c.list, "every " + c.words.one, safe | ekuiper},
		{"POST", all, c.create, "install a " + c.words.one + " from a URL or from the request's body", ekuiper},
		{"GET", one, c.describe, "one " + c.words.one, safe | ekuiper},
		{"PUT", one, c.update, "install a version of a " + c.words.one + " in place of another", ekuiper},
		{"DELETE", one, c.remove, "remove a " + c.words.one, ekuiper},
	}
	if c.native {
		list = append(list, route{"GET", all + "/prebuild", c.prebuild, "where builds of " + c.words.one + "s can be had", safe | ekuiper})
	}
	if c.watched {
		list = append(list, c.statusRoutes(one)...)
	}
	if c.name == host.ClassPortables {
		list = append(list, c.logRoute(one))
	}
	if c.name == host.ClassFunctions {
		list = append(list, route{"POST", one + "/register", c.register, "set the functions of a " + c.words.one, ekuiper})
	}
	return list
}
