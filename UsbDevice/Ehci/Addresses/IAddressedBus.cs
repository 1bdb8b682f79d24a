namespace Dma.UsbDevice;

/// <summary>The bus, or whoever drives it, as the replacement of device addresses needs it: what must happen when address 0 goes from one register set to the next.</summary>
public interface IAddressedBus
{
    /// <summary>Another set has address 0: devices that were reset for it may answer from now on.</summary>
    /// <param name="owner">Which, from 0 on; -1 for none.</param>
    void ZeroMoved(int owner);

    /// <summary>A set had address 0 for too long: nothing may pass the root port behind which it was used.</summary>
    /// <param name="set">The set.</param>
    /// <param name="port">The root port of the bus, from 0 on; -1 for all of its own.</param>
    void Shut(int set, int port);
}
