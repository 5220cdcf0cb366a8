"""Sessions, their table, the loop that relays their packets and the clock that ends them."""
