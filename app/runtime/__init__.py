"""What touches Kafka, Faust and the machine: transport, lanes, ledger, local broker. No rule about orders is here."""
