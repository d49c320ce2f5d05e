;; error: import vanth.state_del needs the capability "state": add it to "requires"
(module (import "vanth" "state_del" (func (param i32 i32) (result i32))) (func (export "f")))
