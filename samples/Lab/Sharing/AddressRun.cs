using Dma.Drivers;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Several VMs give their devices addresses at the same time, and read their disks: each chooses the same number.</summary>
/// <param name="vms">How many VMs.</param>
/// <param name="addresses">How addresses are replaced.</param>
/// <param name="seed">What the bytes of the disks come from.</param>
/// <param name="trace">Where a timeline is written, or null.</param>
internal sealed class AddressRun(int vms, AddressOptions addresses, ulong seed, Stream? trace)
{
    /// <summary>Runs it.</summary>
    public AddressReport Run()
    {
        string[] names = [.. Enumerable.Range(1, vms).Select(number => $"VM {number}")];
        using SharedMachine machine = new(vms, new() { Addresses = addresses }, seed, trace);
        AddressWatch watch = new(machine, machine.Account);
        machine.Controller.Observer = watch;
        return machine.Host.Loop.Run(() => Play(machine, watch, names));
    }

    private async Task<AddressReport> Play(SharedMachine machine, AddressWatch watch, string[] names)
    {
        SharedUsbController sharing = await machine.Start();
        List<AddressMapping> mapping = [];
        int left = vms;
        AddressOutcome[] outcomes = await Task.WhenAll(Enumerable.Range(0, vms).Select(async number =>
        {
            AddressOutcome outcome = await Read(machine, sharing, number, () =>
            {
                // Everybody keeps his device until the last one is done, so that the whole mapping can be looked at.
                if (--left == 0)
                    mapping.AddRange(Mapping(sharing, names));
            });
            return outcome;
        }));
        AddressStatistics? statistics = machine.Controller.Addresses;
        return new(
            addresses.IsOn,
            addresses.Assignment.ToString().ToLowerInvariant(),
            [.. outcomes.Select((outcome, number) => outcome with { ZeroWaitNs = machine.Controller.AddressZeroWaitNsOf(number) })],
            mapping,
            watch.Turns,
            watch.Packets,
            machine.Account.Strip(),
            statistics?.Lookups ?? 0,
            statistics?.Unsent ?? 0,
            sharing.AddressesChosen,
            machine.Host.Loop.NowNs);
    }

    private static async Task<AddressOutcome> Read(SharedMachine machine, SharedUsbController sharing, int number, Action done)
    {
        string name = machine.Machines[number].Name;
        ulong enumerationNs = 0;
        try
        {
            Guest guest = await machine.Give(sharing, number);
            ulong startNs = machine.Host.Loop.NowNs;
            Session session = await Session.Open(guest, number + 1);
            if (machine.Account.Ledger is null)
                machine.Account.Open(machine.Host.Loop.NowNs);
            enumerationNs = machine.Host.Loop.NowNs - startNs;
            machine.Note(number, "enumerate", startNs);
            startNs = machine.Host.Loop.NowNs;
            (_, byte[] sha256) = await session.ReadAll(static (_, _) => { });
            machine.Note(number, "read the disk", startNs);
            for (int other = 0; other < machine.Disks.Count; other++)
            {
                if (sha256.AsSpan().SequenceEqual(Session.HashOf(machine.Disks[other])))
                    return new(name, other == number, other == number ? "read its own disk, byte for byte" : $"READ THE DISK of {machine.Machines[other].Name}", enumerationNs, 0);
            }

            return new(name, false, "READ BYTES that are on no disk", enumerationNs, 0);
        }
        catch (DriverException failure)
        {
            return new(name, false, $"read nothing: {failure.Message}", enumerationNs, 0);
        }
        finally
        {
            done();
        }
    }

    private static IEnumerable<AddressMapping> Mapping(SharedUsbController sharing, string[] names)
    {
        for (byte real = 1; real < UsbBus.AddressCount; real++)
        {
            AddressEntry entry = sharing.EntryOf(real);
            if (entry.State == AddressState.Live)
                yield return new(real, names[entry.Set], entry.Virtual);
        }
    }
}
