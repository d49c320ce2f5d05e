;; error: import vanth.log has type () -> (), expected (i32 i32 i32) -> ()
(module (import "vanth" "log" (func)) (func (export "f")))
