namespace Dma.Lab;

/// <summary>What the VMs and devices of a world program are called; steps know them by number.</summary>
/// <param name="Guests">The VMs, the witness last if there is one.</param>
/// <param name="Devices">The devices, the witness's last if there is one.</param>
/// <param name="HasWitness">Whether there is a witness, which no step acts for.</param>
internal sealed record ProgramNames(IReadOnlyList<string> Guests, IReadOnlyList<string> Devices, bool HasWitness)
{
    /// <summary>What the witness and its device are called.</summary>
    public const string Witness = "witness";

    /// <summary>VMs that steps act for.</summary>
    public int ActingGuests => Guests.Count - (HasWitness ? 1 : 0);

    /// <summary>Devices that steps act on.</summary>
    public int ActingDevices => Devices.Count - (HasWitness ? 1 : 0);

    /// <summary>The number of a VM; -1 where there is none of that name.</summary>
    public int GuestOf(string name) => IndexOf(Guests, name);

    /// <summary>The number of a device; -1 where there is none of that name.</summary>
    public int DeviceOf(string name) => IndexOf(Devices, name);

    private static int IndexOf(IReadOnlyList<string> names, string name)
    {
        for (int index = 0; index < names.Count; index++)
        {
            if (names[index] == name)
                return index;
        }

        return -1;
    }
}
