;; error: export vanth_abi_1 has type (i32) -> (), expected () -> (i32)
(module (func (export "vanth_abi_1") (param i32)) (func (export "fn_f")))
