from leadloop.main import main

main()
