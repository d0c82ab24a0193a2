"""`commonwatt register`: configuration compared with the register, and written into it."""
