import type { Exchanges } from '../../http/openapi-document.ts';

export const trades: Exchanges = {
  createTrade: {
    request: {
      inscription_id: '6691146c6c3d5bc648dac43b3372e6a655d38021a191d2e1c784895522386dd3i0',
      price_sats: 60000,
      seller_address: 'bcrt1pf2ggd8tnu9c5gc4lg7eur7hvgw5ev3dkdp8aqpvaat9e074q2xqq4ux4mm',
      psbt: 'cHNidP8BAF4CAAAAAdNtOCJViYTH4dKRoSGA01Wm5nIzO8TaSMZbPWxsFJFmAAAAAAD9////AWDqAAAAAAAAIlEgSpCGnXPhcURiv0ezwfrsQ6mWRbZoT9AFnerLl/qgUYAAAAAAAAEBKxAnAAAAAAAAIlEg06DYK7+uJyMp5U47NBDvyYZG6vBre2v3ytzu4FuhRH4BAwSDAAAAARNBWm0Mlyo64LttsHF2OncnOBEOJJSVDInrdsmdioqww9IqGKd3nvoPOwhNDQ8SdoHrl4SNGBc2OL4WwKzQw46qE4MBFyBTH+YGgTRQPScjEzInyGesj6bIPFN+mkTDxb29yx/jNwAA',
    },
    status: 201,
    answer: {
      trade_id: '140d1a3b-3441-625b-6889-828fb0a9b6d7',
      status: 'pending',
      token: '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef',
    },
    refusal: {
      status: 403,
      answer: {
        error: 'forbidden',
        message: 'listings are taken from those whom the operator has named (LISTERS); the caller is none',
        request_id: '120d1a393441605b6887828faea9b6d5',
      },
    },
  },
  readTrade: {
    parameters: {
      id: '1f0d1a46-3441-6d5b-6894-828fbba9b6e2',
    },
    status: 200,
    answer: {
      trade_id: '1f0d1a46-3441-6d5b-6894-828fbba9b6e2',
      status: 'confirmed',
      inscription_id: '6691146c6c3d5bc648dac43b3372e6a655d38021a191d2e1c784895522386dd3i0',
      price_sats: 64684,
      transfer: {
        txid: '3d543ea0292cbdda19608f992d737c5c1fad2e8a9c5098bc9f64ee9a75db9da8',
        vout: 0,
        confirmations: 1,
      },
    },
    refusal: {
      status: 404,
      answer: {
        error: 'unknown_trade',
        message: 'there must be a trade of yours with this id; there is none',
        field: 'trade_id',
        request_id: '250d1a4c3441735b689a828fc1a9b6e8',
      },
    },
  },
  withdrawTrade: {
    parameters: {
      id: '170d1a3e-3441-655b-688c-828fb3a9b6da',
    },
    status: 200,
    answer: {
      trade_id: '170d1a3e-3441-655b-688c-828fb3a9b6da',
      status: 'failed',
      inscription_id: '7cf0ffd0f09b0968bd9d807bcc31e3187424e081dbfddca5d0d0a7947b7d20e1i0',
      price_sats: 60000,
      reason: 'withdrawn',
    },
    refusal: {
      status: 409,
      answer: {
        error: 'in_progress',
        message: 'a listing can be withdrawn while nobody buys it; it is taken',
        request_id: '290d1a503441775b689e828fc5a9b6ec',
      },
    },
  },
  nameKeys: {
    parameters: {
      id: '1f0d1a46-3441-6d5b-6894-828fbba9b6e2',
    },
    request: {
      payment_hash: 'b841da8e4fa6e45d82ebe73615295d2c23fadc06155e2152e3bd407c23573db9',
      claim_key: 'f514d56261d2e3190ae0c9bffc1df4df11bdd5a99e82b3dc5319bdf087a5a5ca',
    },
    status: 200,
    answer: {
      payment_request:
        'lnbcrt646840n1p45n5ncsp5tg6696w097jtsrue7kgkugrj0f68t838ehyk0f42jnhjygrqsh4spp5hpqa4rj05mj9mqhtuump222a9s3l4hqxz40zz5hrh4q8cg6h8kusdz22dcxzuntd3jjqarjv9jx2gp3vccxgvtpxsmrxdp5xymxgdtzxcurjdpcxguxvcnzvyukydn9xgxqzuycqz9t9qyysgqth2r7kwjlqwx0ynmc0q7vjga4nx5p7nqxhmwp9qtnves24m64ne9s9u8twz3pjyh635u07jjhf5s9084qcypyk2yus553nd3vlykwusqed6mfd',
      payment_hash: 'b841da8e4fa6e45d82ebe73615295d2c23fadc06155e2152e3bd407c23573db9',
      expires_at: 1800001020,
    },
    refusal: {
      status: 400,
      answer: {
        error: 'bad_message',
        message: 'payment_hash and claim_key must be given together; claim_key is missing',
        field: 'claim_key',
        request_id: '210d1a4834416f5b6896828fbda9b6e4',
      },
    },
  },
  readInvoice: {
    parameters: {
      id: '1f0d1a46-3441-6d5b-6894-828fbba9b6e2',
    },
    status: 200,
    answer: {
      payment_request:
        'lnbcrt646840n1p45n5ncsp5tg6696w097jtsrue7kgkugrj0f68t838ehyk0f42jnhjygrqsh4spp5hpqa4rj05mj9mqhtuump222a9s3l4hqxz40zz5hrh4q8cg6h8kusdz22dcxzuntd3jjqarjv9jx2gp3vccxgvtpxsmrxdp5xymxgdtzxcurjdpcxguxvcnzvyukydn9xgxqzuycqz9t9qyysgqth2r7kwjlqwx0ynmc0q7vjga4nx5p7nqxhmwp9qtnves24m64ne9s9u8twz3pjyh635u07jjhf5s9084qcypyk2yus553nd3vlykwusqed6mfd',
      payment_hash: 'b841da8e4fa6e45d82ebe73615295d2c23fadc06155e2152e3bd407c23573db9',
      expires_at: 1800001020,
    },
    refusal: {
      status: 404,
      answer: {
        error: 'unknown_trade',
        message: 'there must be a trade of yours with this id; there is none',
        field: 'trade_id',
        request_id: '240d1a4b3441725b6899828fc0a9b6e7',
      },
    },
  },
  finalizeTrade: {
    parameters: {
      id: '1f0d1a46-3441-6d5b-6894-828fbba9b6e2',
    },
    request: {
      payment_preimage: '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef',
      claim:
        '0200000000010137c66407fc8117dcc5cb0c8780f74ce9dc278af4c0a5a9295a0efdd01a3f717001000000000100000001562b000000000000225120d3a0d82bbfae272329e54e3b3410efc98646eaf06b7b6bf7cadceee05ba1447e04200123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef40b0137287160c77890ed95c881724330e6cd302e104c8bf17719f40446a5a3bb25b7a06716c3fdfe2e7d53e7f36a22c64a1938a175f03b1c9378aa488d3a96bbc4b20f514d56261d2e3190ae0c9bffc1df4df11bdd5a99e82b3dc5319bdf087a5a5caad82012088a820b841da8e4fa6e45d82ebe73615295d2c23fadc06155e2152e3bd407c23573db98851b241c150929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac08c1bf0cc70ad3ebe2e569fa0bdfe4057e030bab4a5fdccb76209e039f14435c300000000',
    },
    status: 200,
    answer: {
      txid: '3d543ea0292cbdda19608f992d737c5c1fad2e8a9c5098bc9f64ee9a75db9da8',
      confirmations: 0,
    },
    refusal: {
      status: 400,
      answer: {
        error: 'bad_preimage',
        message: 'payment_preimage must hash to the payment hash of the trade; it does not',
        field: 'payment_preimage',
        request_id: '300d1a5734417e5b68a5828fcca9b6f3',
      },
    },
  },
  proveTrade: {
    parameters: {
      id: '1f0d1a46-3441-6d5b-6894-828fbba9b6e2',
    },
    status: 200,
    answer: {
      trade_id: '1f0d1a46-3441-6d5b-6894-828fbba9b6e2',
      messages: [
        '{"confirmations":1,"expires_at":1800001050,"final_cltv":171,"from":"542535ed683138f544ec9d998ecf5b3be6190f7b4ca2fd6584ab0ec7edb772b4","inscription_id":"6691146c6c3d5bc648dac43b3372e6a655d38021a191d2e1c784895522386dd3i0","internal_key":"nums","invoice":"lnbcrt646840n1p45n5ncsp5tg6696w097jtsrue7kgkugrj0f68t838ehyk0f42jnhjygrqsh4spp5hpqa4rj05mj9mqhtuump222a9s3l4hqxz40zz5hrh4q8cg6h8kusdz22dcxzuntd3jjqarjv9jx2gp3vccxgvtpxsmrxdp5xymxgdtzxcurjdpcxguxvcnzvyukydn9xgxqzuycqz9t9qyysgqth2r7kwjlqwx0ynmc0q7vjga4nx5p7nqxhmwp9qtnves24m64ne9s9u8twz3pjyh635u07jjhf5s9084qcypyk2yus553nd3vlykwusqed6mfd","mode":"hold-first","network":"regtest","offset_sats":0,"op":"trade_quote","p":"sparkle","payment_hash":"b841da8e4fa6e45d82ebe73615295d2c23fadc06155e2152e3bd407c23573db9","postage_sats":10000,"price_sats":64684,"quote_height":205,"refund_locktime":304,"reserve_sats":1404,"script":"v1","seller_pubkey":"02d21a3a1d8b98bd04ce02d1b3ad2967787a09701e7de5599895f88a7f4b74f068","sig":"6f2b236bcb3dfb56e0b42ef13e1f33ff79f4563343d1e9d6c1f490adf58acd6130b404b72bee6e452c25d537ea5a18b85141c1bfbffdf61b688d2845ce73ad54","trade_id":"1f0d1a4634416d5b6894828fbba9b6e2","v":1}',
        '{"confirmations":1,"expires_at":1800001050,"final_cltv":171,"from":"542535ed683138f544ec9d998ecf5b3be6190f7b4ca2fd6584ab0ec7edb772b4","funding_txid":"70713f1ad0fd0e5a29a9a5c0f48a27dce94cf780870ccbc5dc1781fc0764c637","funding_vout":1,"inscription_id":"6691146c6c3d5bc648dac43b3372e6a655d38021a191d2e1c784895522386dd3i0","internal_key":"nums","invoice":"lnbcrt646840n1p45n5ncsp5tg6696w097jtsrue7kgkugrj0f68t838ehyk0f42jnhjygrqsh4spp5hpqa4rj05mj9mqhtuump222a9s3l4hqxz40zz5hrh4q8cg6h8kusdz22dcxzuntd3jjqarjv9jx2gp3vccxgvtpxsmrxdp5xymxgdtzxcurjdpcxguxvcnzvyukydn9xgxqzuycqz9t9qyysgqth2r7kwjlqwx0ynmc0q7vjga4nx5p7nqxhmwp9qtnves24m64ne9s9u8twz3pjyh635u07jjhf5s9084qcypyk2yus553nd3vlykwusqed6mfd","mode":"hold-first","network":"regtest","offset_sats":0,"op":"trade_accept","p":"sparkle","payment_hash":"b841da8e4fa6e45d82ebe73615295d2c23fadc06155e2152e3bd407c23573db9","postage_sats":10000,"price_sats":64684,"quote_height":205,"refund_locktime":304,"reserve_sats":1404,"script":"v1","seller_pubkey":"02d21a3a1d8b98bd04ce02d1b3ad2967787a09701e7de5599895f88a7f4b74f068","sig":"182577dbd508095425d06631a8770a69ab3fee05e625f218116d7af725ceb911d9cc8c3f45b0d42e96893e5d84f4e3e861458b357aab1e5486ab327da9a3dd48","trade_id":"1f0d1a4634416d5b6894828fbba9b6e2","v":1,"witness_script":"20f514d56261d2e3190ae0c9bffc1df4df11bdd5a99e82b3dc5319bdf087a5a5caad82012088a820b841da8e4fa6e45d82ebe73615295d2c23fadc06155e2152e3bd407c23573db98851b220d21a3a1d8b98bd04ce02d1b3ad2967787a09701e7de5599895f88a7f4b74f068ad023001b1"}',
      ],
      lock: {
        outpoint: '70713f1ad0fd0e5a29a9a5c0f48a27dce94cf780870ccbc5dc1781fc0764c637:1',
        address: 'bcrt1p0mtuc0hgh3s050d4shhaps5uqtaqjsag9slhkh7gegau5xqlcgws3xe5dw',
        descriptor:
          'tr(50929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac0,{and_v(v:pk(f514d56261d2e3190ae0c9bffc1df4df11bdd5a99e82b3dc5319bdf087a5a5ca),and_v(v:sha256(b841da8e4fa6e45d82ebe73615295d2c23fadc06155e2152e3bd407c23573db9),older(1))),and_v(v:pk(d21a3a1d8b98bd04ce02d1b3ad2967787a09701e7de5599895f88a7f4b74f068),after(304))})#y7749lrl',
        raw: '02000000000104e5be7f7d59217dcb5a7b2d6eba06d95d0a3051022f9e2d2305f1e314a463e4350000000000fdffffffd82892ff99ec7fc642d7c830f922d28f0d61cdf6004a2d22edeb3a7385b368590000000000fdffffffd36d3822558984c7e1d291a12180d355a6e672333bc4da48c65b3d6c6c1491660000000000fdffffffa27fae4ae274979306dd91cb5956facc73a6e1293e8e71d3f14aee1fdc5514c50000000000fdffffff04c027090000000000225120af21468a3f6f3c3fb9345a3b201e4aee3600831fb98ba28b625ccfc0d1da56688c2c0000000000002251207ed7cc3ee8bc60fa3db585efd0c29c02fa0943a82c3f7b5fc8ca3bca181fc21d60ea0000000000002251204a90869d73e1714462bf47b3c1faec43a99645b6684fd0059deacb97faa051802d9f030000000000225120af21468a3f6f3c3fb9345a3b201e4aee3600831fb98ba28b625ccfc0d1da56680140b83de669293f6e51bd2e59f663a42e703b66d945b390df4104e8f22908e73f50acdd1f9a747dfbbfe36f1194dfdbcba281de9b58c3e160716a5eaac229503c270140511bbd53fba9393f824803158e8abbef03c1988c6203b1d9d305372a8785f6b06757b487d98b0b74fabf8679794daa6a9e51593e396547ab3786af0f997f127601415a6d0c972a3ae0bb6db071763a772738110e2494950c89eb76c99d8a8ab0c3d22a18a7779efa0f3b084d0d0f127681eb97848d18173638be16c0acd0c38eaa13830140565ddac5064a2581d214fc4b6bd105544d5189e28d72897b3a4130513bf56fea65a4ef81b727cb6afdc74b02b6a871b7987e17e3dc8c59e13fcc531db8fcd75600000000',
        confirmations: 1,
      },
      sat_proof: {
        inscription_id: '6691146c6c3d5bc648dac43b3372e6a655d38021a191d2e1c784895522386dd3i0',
        satpoint: '70713f1ad0fd0e5a29a9a5c0f48a27dce94cf780870ccbc5dc1781fc0764c637:1:0',
        transactions: [
          '0200000001abe44abb96e0a6d65329576ad2223b4d5d3c5d3179a185c09c63f91b92750ad60000000000fdffffff02e82e000000000000225120266e86fe14d14577048fa279159b676f155addfca55fc9caeee58a0d928cf258d8b5022a01000000225120d631a46cfd721e2a285138dea525cfe9bdb8bbe8ec12a7f880f2ca798d63653100000000',
          '02000000000101614a791274b36a6d53ea3b7d5901b008a53c4b9615c1742da22beb7f27f027ae0000000000ffffffff011027000000000000225120d3a0d82bbfae272329e54e3b3410efc98646eaf06b7b6bf7cadceee05ba1447e024020989c0b76cb563971fdc9bef31ec06c3560f3249d6ee9e5d83c57625596e05f6fac0063036f726401010a746578742f706c61696e0008666f722073616c656821c050929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac000000000',
          '02000000019b81717e45117f6fb8261f70052d3a00bc0665f18563dad1d98989031cf620e20000000000fdffffff02e093040000000000225120cbd2b65397131e4a6ec92a4b6ee63be6030118084110d38bbb9d259e97a012ace050fe2901000000225120d631a46cfd721e2a285138dea525cfe9bdb8bbe8ec12a7f880f2ca798d63653100000000',
          '0200000001d404feb880f075ce79e8bf443a3d0b577f0d9bfd8fd32860a4650b263c2704490000000000fdffffff02e093040000000000225120f0a78da046133fc178b0e15c0aa2ffd5a445f6ec0251a8b2ae8f1fd081106276e050fe2901000000225120d631a46cfd721e2a285138dea525cfe9bdb8bbe8ec12a7f880f2ca798d63653100000000',
          '0200000004e5be7f7d59217dcb5a7b2d6eba06d95d0a3051022f9e2d2305f1e314a463e4350000000000fdffffffd82892ff99ec7fc642d7c830f922d28f0d61cdf6004a2d22edeb3a7385b368590000000000fdffffffd36d3822558984c7e1d291a12180d355a6e672333bc4da48c65b3d6c6c1491660000000000fdffffffa27fae4ae274979306dd91cb5956facc73a6e1293e8e71d3f14aee1fdc5514c50000000000fdffffff04c027090000000000225120af21468a3f6f3c3fb9345a3b201e4aee3600831fb98ba28b625ccfc0d1da56688c2c0000000000002251207ed7cc3ee8bc60fa3db585efd0c29c02fa0943a82c3f7b5fc8ca3bca181fc21d60ea0000000000002251204a90869d73e1714462bf47b3c1faec43a99645b6684fd0059deacb97faa051802d9f030000000000225120af21468a3f6f3c3fb9345a3b201e4aee3600831fb98ba28b625ccfc0d1da566800000000',
        ],
      },
    },
    refusal: {
      status: 404,
      answer: {
        error: 'unknown_trade',
        message: 'there must be a trade of yours with this id; there is none',
        field: 'trade_id',
        request_id: '260d1a4d3441745b689b828fc2a9b6e9',
      },
    },
  },
  rescueTrade: {
    parameters: {
      id: '1f0d1a46-3441-6d5b-6894-828fbba9b6e2',
    },
    status: 200,
    answer: {
      trade_id: '1f0d1a46-3441-6d5b-6894-828fbba9b6e2',
      messages: [
        '{"confirmations":1,"expires_at":1800001050,"final_cltv":171,"from":"542535ed683138f544ec9d998ecf5b3be6190f7b4ca2fd6584ab0ec7edb772b4","inscription_id":"6691146c6c3d5bc648dac43b3372e6a655d38021a191d2e1c784895522386dd3i0","internal_key":"nums","invoice":"lnbcrt646840n1p45n5ncsp5tg6696w097jtsrue7kgkugrj0f68t838ehyk0f42jnhjygrqsh4spp5hpqa4rj05mj9mqhtuump222a9s3l4hqxz40zz5hrh4q8cg6h8kusdz22dcxzuntd3jjqarjv9jx2gp3vccxgvtpxsmrxdp5xymxgdtzxcurjdpcxguxvcnzvyukydn9xgxqzuycqz9t9qyysgqth2r7kwjlqwx0ynmc0q7vjga4nx5p7nqxhmwp9qtnves24m64ne9s9u8twz3pjyh635u07jjhf5s9084qcypyk2yus553nd3vlykwusqed6mfd","mode":"hold-first","network":"regtest","offset_sats":0,"op":"trade_quote","p":"sparkle","payment_hash":"b841da8e4fa6e45d82ebe73615295d2c23fadc06155e2152e3bd407c23573db9","postage_sats":10000,"price_sats":64684,"quote_height":205,"refund_locktime":304,"reserve_sats":1404,"script":"v1","seller_pubkey":"02d21a3a1d8b98bd04ce02d1b3ad2967787a09701e7de5599895f88a7f4b74f068","sig":"55834bb99c8ffcde76dfed9a74d7e325121e7ce27ba350f2b20a0ab3d411c9f661d48de75e520038f248bbb88834005ebe0519e5c280d9dc67173a85fb8e7d4e","trade_id":"1f0d1a4634416d5b6894828fbba9b6e2","v":1}',
        '{"confirmations":1,"expires_at":1800001050,"final_cltv":171,"from":"542535ed683138f544ec9d998ecf5b3be6190f7b4ca2fd6584ab0ec7edb772b4","funding_txid":"70713f1ad0fd0e5a29a9a5c0f48a27dce94cf780870ccbc5dc1781fc0764c637","funding_vout":1,"inscription_id":"6691146c6c3d5bc648dac43b3372e6a655d38021a191d2e1c784895522386dd3i0","internal_key":"nums","invoice":"lnbcrt646840n1p45n5ncsp5tg6696w097jtsrue7kgkugrj0f68t838ehyk0f42jnhjygrqsh4spp5hpqa4rj05mj9mqhtuump222a9s3l4hqxz40zz5hrh4q8cg6h8kusdz22dcxzuntd3jjqarjv9jx2gp3vccxgvtpxsmrxdp5xymxgdtzxcurjdpcxguxvcnzvyukydn9xgxqzuycqz9t9qyysgqth2r7kwjlqwx0ynmc0q7vjga4nx5p7nqxhmwp9qtnves24m64ne9s9u8twz3pjyh635u07jjhf5s9084qcypyk2yus553nd3vlykwusqed6mfd","mode":"hold-first","network":"regtest","offset_sats":0,"op":"trade_accept","p":"sparkle","payment_hash":"b841da8e4fa6e45d82ebe73615295d2c23fadc06155e2152e3bd407c23573db9","postage_sats":10000,"price_sats":64684,"quote_height":205,"refund_locktime":304,"reserve_sats":1404,"script":"v1","seller_pubkey":"02d21a3a1d8b98bd04ce02d1b3ad2967787a09701e7de5599895f88a7f4b74f068","sig":"65934c4c63a5bdd7ca33350dbb04fac4ab6059085b7b0acb4bc224d8c2e2761fbb1baef6660ac6edfd7ef84eae5988b970a842186cb0994d0c43ab057783632b","trade_id":"1f0d1a4634416d5b6894828fbba9b6e2","v":1,"witness_script":"20f514d56261d2e3190ae0c9bffc1df4df11bdd5a99e82b3dc5319bdf087a5a5caad82012088a820b841da8e4fa6e45d82ebe73615295d2c23fadc06155e2152e3bd407c23573db98851b220d21a3a1d8b98bd04ce02d1b3ad2967787a09701e7de5599895f88a7f4b74f068ad023001b1"}',
      ],
      lock: {
        outpoint: '70713f1ad0fd0e5a29a9a5c0f48a27dce94cf780870ccbc5dc1781fc0764c637:1',
        address: 'bcrt1p0mtuc0hgh3s050d4shhaps5uqtaqjsag9slhkh7gegau5xqlcgws3xe5dw',
        descriptor:
          'tr(50929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac0,{and_v(v:pk(f514d56261d2e3190ae0c9bffc1df4df11bdd5a99e82b3dc5319bdf087a5a5ca),and_v(v:sha256(b841da8e4fa6e45d82ebe73615295d2c23fadc06155e2152e3bd407c23573db9),older(1))),and_v(v:pk(d21a3a1d8b98bd04ce02d1b3ad2967787a09701e7de5599895f88a7f4b74f068),after(304))})#y7749lrl',
        raw: '02000000000104e5be7f7d59217dcb5a7b2d6eba06d95d0a3051022f9e2d2305f1e314a463e4350000000000fdffffffd82892ff99ec7fc642d7c830f922d28f0d61cdf6004a2d22edeb3a7385b368590000000000fdffffffd36d3822558984c7e1d291a12180d355a6e672333bc4da48c65b3d6c6c1491660000000000fdffffffa27fae4ae274979306dd91cb5956facc73a6e1293e8e71d3f14aee1fdc5514c50000000000fdffffff04c027090000000000225120af21468a3f6f3c3fb9345a3b201e4aee3600831fb98ba28b625ccfc0d1da56688c2c0000000000002251207ed7cc3ee8bc60fa3db585efd0c29c02fa0943a82c3f7b5fc8ca3bca181fc21d60ea0000000000002251204a90869d73e1714462bf47b3c1faec43a99645b6684fd0059deacb97faa051802d9f030000000000225120af21468a3f6f3c3fb9345a3b201e4aee3600831fb98ba28b625ccfc0d1da56680140b83de669293f6e51bd2e59f663a42e703b66d945b390df4104e8f22908e73f50acdd1f9a747dfbbfe36f1194dfdbcba281de9b58c3e160716a5eaac229503c270140511bbd53fba9393f824803158e8abbef03c1988c6203b1d9d305372a8785f6b06757b487d98b0b74fabf8679794daa6a9e51593e396547ab3786af0f997f127601415a6d0c972a3ae0bb6db071763a772738110e2494950c89eb76c99d8a8ab0c3d22a18a7779efa0f3b084d0d0f127681eb97848d18173638be16c0acd0c38eaa13830140565ddac5064a2581d214fc4b6bd105544d5189e28d72897b3a4130513bf56fea65a4ef81b727cb6afdc74b02b6a871b7987e17e3dc8c59e13fcc531db8fcd75600000000',
        confirmations: 1,
      },
      sat_proof: {
        inscription_id: '6691146c6c3d5bc648dac43b3372e6a655d38021a191d2e1c784895522386dd3i0',
        satpoint: '70713f1ad0fd0e5a29a9a5c0f48a27dce94cf780870ccbc5dc1781fc0764c637:1:0',
        transactions: [
          '0200000001abe44abb96e0a6d65329576ad2223b4d5d3c5d3179a185c09c63f91b92750ad60000000000fdffffff02e82e000000000000225120266e86fe14d14577048fa279159b676f155addfca55fc9caeee58a0d928cf258d8b5022a01000000225120d631a46cfd721e2a285138dea525cfe9bdb8bbe8ec12a7f880f2ca798d63653100000000',
          '02000000000101614a791274b36a6d53ea3b7d5901b008a53c4b9615c1742da22beb7f27f027ae0000000000ffffffff011027000000000000225120d3a0d82bbfae272329e54e3b3410efc98646eaf06b7b6bf7cadceee05ba1447e024020989c0b76cb563971fdc9bef31ec06c3560f3249d6ee9e5d83c57625596e05f6fac0063036f726401010a746578742f706c61696e0008666f722073616c656821c050929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac000000000',
          '02000000019b81717e45117f6fb8261f70052d3a00bc0665f18563dad1d98989031cf620e20000000000fdffffff02e093040000000000225120cbd2b65397131e4a6ec92a4b6ee63be6030118084110d38bbb9d259e97a012ace050fe2901000000225120d631a46cfd721e2a285138dea525cfe9bdb8bbe8ec12a7f880f2ca798d63653100000000',
          '0200000001d404feb880f075ce79e8bf443a3d0b577f0d9bfd8fd32860a4650b263c2704490000000000fdffffff02e093040000000000225120f0a78da046133fc178b0e15c0aa2ffd5a445f6ec0251a8b2ae8f1fd081106276e050fe2901000000225120d631a46cfd721e2a285138dea525cfe9bdb8bbe8ec12a7f880f2ca798d63653100000000',
          '0200000004e5be7f7d59217dcb5a7b2d6eba06d95d0a3051022f9e2d2305f1e314a463e4350000000000fdffffffd82892ff99ec7fc642d7c830f922d28f0d61cdf6004a2d22edeb3a7385b368590000000000fdffffffd36d3822558984c7e1d291a12180d355a6e672333bc4da48c65b3d6c6c1491660000000000fdffffffa27fae4ae274979306dd91cb5956facc73a6e1293e8e71d3f14aee1fdc5514c50000000000fdffffff04c027090000000000225120af21468a3f6f3c3fb9345a3b201e4aee3600831fb98ba28b625ccfc0d1da56688c2c0000000000002251207ed7cc3ee8bc60fa3db585efd0c29c02fa0943a82c3f7b5fc8ca3bca181fc21d60ea0000000000002251204a90869d73e1714462bf47b3c1faec43a99645b6684fd0059deacb97faa051802d9f030000000000225120af21468a3f6f3c3fb9345a3b201e4aee3600831fb98ba28b625ccfc0d1da566800000000',
        ],
      },
      terms: {
        inscription_id: '6691146c6c3d5bc648dac43b3372e6a655d38021a191d2e1c784895522386dd3i0',
        payment_hash: 'b841da8e4fa6e45d82ebe73615295d2c23fadc06155e2152e3bd407c23573db9',
        claim_key: 'f514d56261d2e3190ae0c9bffc1df4df11bdd5a99e82b3dc5319bdf087a5a5ca',
        refund_key: 'd21a3a1d8b98bd04ce02d1b3ad2967787a09701e7de5599895f88a7f4b74f068',
        refund_height: 304,
        last_reveal_height: 268,
        postage_sats: 10000,
        reserve_sats: 1404,
        offset_sats: 0,
        claim_leaf:
          '20f514d56261d2e3190ae0c9bffc1df4df11bdd5a99e82b3dc5319bdf087a5a5caad82012088a820b841da8e4fa6e45d82ebe73615295d2c23fadc06155e2152e3bd407c23573db98851b2',
        claim_control_block:
          'c150929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac08c1bf0cc70ad3ebe2e569fa0bdfe4057e030bab4a5fdccb76209e039f14435c3',
      },
    },
    refusal: {
      status: 404,
      answer: {
        error: 'unknown_trade',
        message: 'there must be a trade of yours with this id; there is none',
        field: 'trade_id',
        request_id: '270d1a4e3441755b689c828fc3a9b6ea',
      },
    },
  },
};
