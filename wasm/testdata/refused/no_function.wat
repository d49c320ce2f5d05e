;; error: no export fn_f, fx_f or vanth_call
(module (func (export "vanth_abi_1") (result i32) (i32.const 0)))
