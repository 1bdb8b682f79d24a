using Dma.Lab;

namespace Dma.Properties;

/// <summary>A guest that goes through its steps behind a front end, or a controller that is modelled for it; its device is in the first port that it sees.</summary>
/// <param name="machine">The computer.</param>
/// <param name="number">Which guest.</param>
/// <param name="underWay">How many transfers of a stream are under way at a time.</param>
internal sealed class ServedGuest(ServiceMachine machine, int number, int underWay = ServedGuest.UnderWay) : SteppingGuest(machine.Host, machine.Guests[number], machine.Buses.First().Ports[0], TagOf(number))
{
    /// <summary>How many transfers of a stream have to be under way.</summary>
    /// <remarks>
    /// A transfer is eight slots long, and there and back it takes a part of one of them: ceil((there + back + jitter) / length) + 1 are two.
    /// </remarks>
    public const int UnderWay = 2;

    /// <summary>Slots that a stream through a model may miss at its beginning: a row of eight, the two frames that a driver of the host leaves before it, and the one that is on.</summary>
    public const int ModelSlotsMax = 8 + 2 + 1;

    private const int RowsMin = 4;

    protected override int Port => 1;

    /// <summary>What the device of a guest says.</summary>
    public static byte TagOf(int number) => (byte)(0x10 * (number + 1));

    protected override (int Rows, int UnderWay) RowsOf(int transfers) => (Math.Max(transfers, RowsMin), underWay);

    protected override async Task Unplug() => await machine.Detach(number, machine.Devices[number]);

    protected override async Task PlugAgain()
    {
        Assert.True(await machine.Devices[number].Reset());
        Assert.True(await machine.Attach(number, machine.Devices[number]));
    }
}
