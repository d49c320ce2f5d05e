;; error: compile
(module (func (export "f") (result i32)))
