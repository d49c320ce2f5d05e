;; error: export _initialize has type (i32) -> ()
(module (func (export "_initialize") (param i32)) (func (export "f")))
