//go:build linux

package main

// functionRows are what is said of function lists.
func functionRows() []row {
	const all = "/plugins/functions"
	const exists = "functions plugins create command error: function name "
	const regiser = "function plugins many regiser functions error: "
	const decoding = "Invalid body: Error decoding the function list json"
	registered := "function plugin many function list is registered"
	return []row{
		is("1.3 udfs none", "GET /plugins/udfs", "", 200, jsonKind, `[]`),
		is("1.3 functions absent: one named like the plugin", "POST "+all, at("plain", "plain.zip"), 201, textKind, "functions plugin plain is created"),
		is("1.3 functions absent: no list was registered", "GET "+all+"/plain", "", 200, jsonKind, `{"name":"plain","version":""}`),
		is("1.3 functions absent: the udf", "GET /plugins/udfs/plain", "", 200, jsonKind, `{"name":"plain","plugin":"plain"}`),
		is("1.3 functions absent: it runs", "POST /functions/plain/call", `{"args":[]}`, 200, jsonKind, `{"result":"Plain 00000000"}`),
		is("1.3 functions empty", "POST "+all, at("random", "ok.zip", `,"functions":[]`), 201, textKind, "functions plugin random is created"),
		is("1.3 functions empty: no list was registered", "GET "+all+"/random", "", 200, jsonKind, `{"name":"random","version":"1.2.0"}`),
		is("1.3 functions given", "POST "+all, at("many", "many.zip", `,"functions":["box","alpha"]`), 201, textKind, "functions plugin many is created"),
		is("1.3 functions given: shown in their order", "GET "+all+"/many", "", 200, jsonKind, `{"functions":["box","alpha"],"name":"many","version":"1"}`),
		is("1.3 functions given: none of the plugin's name", "GET /plugins/udfs/many", "", 404, textKind, bad(1002, "describe function many error: not found")),
		is("1.3 functions given: they run", "POST /functions/alpha/call", `{"args":[]}`, 200, jsonKind, `{"result":"Alpha 00000000"}`),
		is("1.3 udfs", "GET /plugins/udfs", "", 200, jsonKind, `["alpha","box","plain","random"]`),
		is("1.3 udfs one", "GET /plugins/udfs/alpha", "", 200, jsonKind, `{"name":"alpha","plugin":"many"}`),
		is("1.3 udfs unknown", "GET /plugins/udfs/beta", "", 404, textKind, bad(1002, "describe function beta error: not found")),
		is("1.1 udfs wrong method", "POST /plugins/udfs", "", 405, "", ""),
		is("1.3 functions given: the plugin's own name alone", "POST "+all, at("echo", "echo.zip", `,"functions":["echo"]`), 201, textKind, "functions plugin echo is created"),
		is("1.3 functions given: the plugin's own name is a list too", "GET "+all+"/echo", "", 200, jsonKind, `{"functions":["echo"],"name":"echo","version":""}`),
		is("1.3 functions of another type", "POST "+all, at("thief", "thief.zip", `,"functions":"x"`), 400, textKind,
			bad(1000, "Invalid body: Error decoding the functions plugin json: json: cannot unmarshal string into Go struct field FuncPlugin.functions of type []string")),

		is("1.3 POST a function name of another plugin", "POST "+all, at("thief", "thief.zip", `,"functions":["mine","box"]`), 400, textKind, bad(1000, exists+"box already exists")),
		is("2.3 [bug] names registered before a clash are free", "GET /plugins/udfs/mine", "", 404, textKind, bad(1002, "describe function mine error: not found")),
		is("1.3 POST a function name of another plugin, without a list", "POST "+all, at("box", "box.zip"), 400, textKind, bad(1000, exists+"box already exists")),
		is("1.3 PUT a function name of another plugin", "PUT "+all+"/plain", at("plain", "plain.zip", `,"functions":["box"]`), 400, textKind, bad(1000, exists+"box already exists")),
		is("1.3 PUT brings a list", "PUT "+all+"/plain", at("plain", "plain.zip", `,"functions":["beta","plain"]`), 200, textKind, "plugin plain is updated"+plainRow),
		is("1.3 PUT brings a list: shown", "GET "+all+"/plain", "", 200, jsonKind, `{"functions":["beta","plain"],"name":"plain","version":""}`),
		is("1.3 PUT brings no list: gone", "PUT "+all+"/plain", at("plain", "plain.zip"), 200, textKind, "plugin plain is updated"+plainRow),
		is("1.3 PUT brings no list: one named like the plugin", "GET "+all+"/plain", "", 200, jsonKind, `{"name":"plain","version":""}`),

		is("1.3 register ok", "POST "+all+"/many/register", `{"functions":["alpha","gamma"]}`, 200, textKind, registered),
		is("1.3 register replaces the list", "GET "+all+"/many", "", 200, jsonKind, `{"functions":["alpha","gamma"],"name":"many","version":"1"}`),
		is("1.3 register: what is new runs", "POST /functions/gamma/call", `{"args":[]}`, 200, jsonKind, `{"result":"Gamma 00000000"}`),
		is("1.3 register: what is gone is free", "POST "+all, at("box", "box.zip"), 201, textKind, "functions plugin box is created"),
		is("1.3 register: what is gone is another's", "GET /plugins/udfs/box", "", 200, jsonKind, `{"name":"box","plugin":"box"}`),
		is("1.3 register a name that another took", "POST "+all+"/many/register", `{"functions":["box"]}`, 400, textKind, bad(1000, regiser+"function name box already exists")),
		is("2.6 DELETE of the other", "DELETE "+all+"/box", "", 200, textKind, "functions plugin box is deleted"+plainRow),
		is("1.3 register unknown", "POST "+all+"/none/register", `{"functions":["x"]}`, 404, textKind, bad(1002, "register functions plugin none error: not found")),
		is("1.3 register unknown comes before bad JSON", "POST "+all+"/none/register", `{`, 404, textKind, bad(1002, "register functions plugin none error: not found")),
		is("1.3 register bad JSON", "POST "+all+"/many/register", `{`, 400, textKind, bad(1000, decoding, ": unexpected EOF")),
		is("1.3 register bad JSON: no list", "POST "+all+"/many/register", `{"functions":"x"}`, 400, textKind, bad(1000, decoding, ": json: cannot unmarshal string into Go struct field functionList.functions of type []string")),
		is("1.3 register empty list", "POST "+all+"/many/register", `{"functions":[]}`, 400, textKind, bad(1000, regiser+"property 'functions' must not be empty")),
		is("1.3 register missing list", "POST "+all+"/many/register", `{}`, 400, textKind, bad(1000, regiser+"property 'functions' must not be empty")),
		is("1.3 register null", "POST "+all+"/many/register", `null`, 400, textKind, bad(1000, regiser+"property 'functions' must not be empty")),
		is("1.3 register name clash", "POST "+all+"/many/register", `{"functions":["delta","echo"]}`, 400, textKind, bad(1000, regiser+"function name echo already exists")),
		is("1.3 register [bug] a clash leaves the old list", "GET "+all+"/many", "", 200, jsonKind, `{"functions":["alpha","gamma"],"name":"many","version":"1"}`),
		is("1.3 register [bug] a clash leaves the udfs", "GET /plugins/udfs", "", 200, jsonKind, `["alpha","echo","gamma","plain","random"]`),
		is("1.3 register wrong method", "GET "+all+"/many/register", "", 405, "", ""),
		is("1.3 register the plugin's own name alone", "POST "+all+"/random/register", `{"functions":["random"]}`, 200, textKind, "function plugin random function list is registered"),
		is("1.3 register the plugin's own name alone: shown", "GET "+all+"/random", "", 200, jsonKind, `{"functions":["random"],"name":"random","version":"1.2.0"}`),

		is("2.6 DELETE takes the list along", "DELETE "+all+"/many", "", 200, textKind, "functions plugin many is deleted"+plainRow),
		is("2.6 DELETE takes the udfs along", "GET /plugins/udfs", "", 200, jsonKind, `["echo","plain","random"]`),
		is("1.3 register of what was deleted", "POST "+all+"/many/register", `{"functions":["x"]}`, 404, textKind, bad(1002, "register functions plugin many error: not found")),
		is("2.6 POST of what was deleted, without a list", "POST "+all, at("many", "many.zip"), 201, textKind, "functions plugin many is created"),
		is("2.6 POST of what was deleted has no old list", "GET "+all+"/many", "", 200, jsonKind, `{"name":"many","version":"1"}`),
	}
}

// unreadRows: the functions of a request are read for functions only.
func unreadRows(class string) []row {
	all := "/plugins/" + class
	return []row{
		is("1.3 functions are not read", "POST "+all, at("random", "ok.zip", `,"functions":["box"]`), 201, textKind, class+" plugin random is created"),
		is("1.3 functions are not shown", "GET "+all+"/random", "", 200, jsonKind, `{"name":"random","version":"1.2.0"}`),
		is("1.3 functions are no udfs", "GET /plugins/udfs", "", 200, jsonKind, `[]`),
		is("1.3 functions may be anything", "PUT "+all+"/random", at("random", "ok.zip", `,"functions":"box"`), 200, textKind, "plugin random is updated"+plainRow),
		is("1.3 register is a path of functions only", "POST "+all+"/random/register", `{"functions":["x"]}`, 404, textKind, "404 page not found\n"),
	}
}
