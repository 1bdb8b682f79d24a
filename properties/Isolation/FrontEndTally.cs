using Dma.Hal.Spec;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>What programs of hostile front ends came to, all together: one whose requests never reach a device shows nothing.</summary>
internal sealed class FrontEndTally
{
    private readonly Dictionary<UrbStatus, int> _responses = [];
    private readonly int[] _calls = new int[4];

    /// <summary>Programs that were played.</summary>
    public int Programs { get; private set; }

    /// <summary>Programs at whose end the ring was broken.</summary>
    public int Broken { get; private set; }

    /// <summary>Grants that were changed while the host used them.</summary>
    public int ChangedInUse { get; set; }

    /// <summary>Bytes that the device was sent.</summary>
    public long Sent { get; set; }

    /// <summary>Responses with a status.</summary>
    public int Responses(UrbStatus status) => _responses.GetValueOrDefault(status);

    /// <summary>A response came.</summary>
    public void Add(UrbStatus status) => _responses[status] = Responses(status) + 1;

    /// <summary>A program was played.</summary>
    public void Add(FakeHostUsbDevice device, bool isBroken)
    {
        Programs++;
        Broken += isBroken ? 1 : 0;
        for (int type = 0; type < _calls.Length; type++)
            _calls[type] += device.CallsOf[type];
    }

    /// <summary>Fails where something of all this happened too seldom to show anything.</summary>
    public void AssertMuchHappened(FakeHostUsb stack)
    {
        Assert.True(Enum.GetValues<TransferType>().All(type => _calls[(int)type] > Programs / 8), ToString());
        Assert.True(new[] { UrbStatus.Ok, UrbStatus.Invalid, UrbStatus.NoDevice, UrbStatus.Unlinked, UrbStatus.Short }.All(status => Responses(status) > Programs / 60), ToString());
        Assert.True(Responses(UrbStatus.Ok) > 2 * Programs && Broken > Programs / 60 && Broken < Programs / 2, ToString());
        Assert.True(ChangedInUse > Programs / 20 && Sent > 100L * Programs, ToString());
        Assert.True(stack.Made.Mapped > Programs / 4 && stack.Made.Own > Programs / 4, $"{stack.Made} {this}");
    }

    public override string ToString() =>
        $"{Programs} programs, {Broken} broken, calls {string.Join(' ', _calls)}, {string.Join(", ", _responses)}, {ChangedInUse} grants changed in use, {Sent} bytes sent";
}
