using Dma.Lab;

namespace Dma.Properties;

/// <summary>A guest that goes through its steps behind a front end, or a controller that is modelled for it; its device is in the first port that it sees.</summary>
/// <param name="machine">The computer.</param>
/// <param name="number">Which guest.</param>
internal sealed class ServedGuest(ServiceMachine machine, int number) : SteppingGuest(machine.Host, machine.Guests[number], machine.Buses.First().Ports[0], TagOf(number))
{
    protected override int Port => 1;

    /// <summary>What the device of a guest says.</summary>
    public static byte TagOf(int number) => (byte)(0x10 * (number + 1));

    protected override async Task Unplug() => await machine.Detach(number, machine.Devices[number]);

    protected override async Task PlugAgain()
    {
        Assert.True(await machine.Devices[number].Reset());
        Assert.True(await machine.Attach(number, machine.Devices[number]));
    }
}
