"""Real programs around the proxy, each started and stopped by a context manager of its own module.

proxy       our daemon                        control   clients of its control sockets
kamailio    SIP proxy                         sipp      phones, from scenario files
b2bua       Sippy's back-to-back user agent   phone     phones that the test drives step by step
oracle      the C engine                      capture   what tshark saw on the loopback interface
"""
