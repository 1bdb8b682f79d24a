using Dma.UsbDevice;

namespace Dma.Properties;

/// <summary>The truth about device addresses, from where devices really are plugged in: looked at with each token, and each time that address 0 moves.</summary>
internal sealed class AddressWatch
{
    private readonly SharedBench _bench;
    private readonly int _staticBits;

    /// <summary>Watches from now on.</summary>
    public AddressWatch(SharedBench bench)
    {
        _bench = bench;
        bool isStatic = bench.Controller.Options.Addresses.Assignment == AddressAssignment.Static;
        _staticBits = isStatic ? (int)(bench.Managed(EhciManagementOffsets.AddressCapability) >> 4) & 0xF : 0;
        bench.Token = See;
        bench.ZeroMoved = _ => Assert.True(bench.Controller.Usb.Ports.Count(port => SharedBench.Reached(port).Any(device => device.Address == 0)) <= 1);
    }

    /// <summary>Start-splits, then complete-splits that went out.</summary>
    public int[] Splits { get; } = new int[2];

    /// <summary>Tokens of interrupt endpoints that went out, in splits too.</summary>
    public int Reports { get; private set; }

    private void See(TokenUse use)
    {
        if (use.Sent is not { } sent)
            return;
        Reports += sent.Endpoint == TaggedDevice.Report ? 1 : 0;
        CheckEntry(use.Set, use.Asked.Address, sent.Address);
        if (sent.IsSplit)
        {
            Splits[sent.Split.Complete ? 1 : 0]++;
            CheckEntry(use.Set, use.Asked.Split.HubAddress, sent.Split.HubAddress);
            Assert.NotEqual(0, sent.Split.HubAddress);
        }

        // No device of another guest hears it: that of the address, or the hub that is to hand it on.
        byte heard = sent.IsSplit ? sent.Split.HubAddress : sent.Address;
        for (int port = 0; port < _bench.SetCount; port++)
            Assert.True(port == use.Set || !SharedBench.Reached(_bench.Controller.Usb.Ports[port]).Any(device => device.Address == heard), $"{use} is heard at port {port}.");
    }

    private void CheckEntry(int set, byte asked, byte sent)
    {
        if (sent == 0)
        {
            Assert.Equal(0, asked);
            return;
        }

        AddressEntry entry = _bench.Controller.AddressEntryOf(sent);
        Assert.Equal((set, asked), (entry.Set, entry.Virtual));
        Assert.NotEqual(AddressState.Free, entry.State);
        Assert.True(_staticBits == 0 || sent == ((set << _staticBits) | asked));
    }
}
