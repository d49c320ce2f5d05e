;; error: unreachable
(module (func (export "_initialize") unreachable) (func (export "f")))
