using System.Collections.Immutable;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>What a device was told to be: a configuration, and a setting of each of its interfaces.</summary>
/// <param name="Configuration">The configuration, with all that belongs to it, as the device sent it; empty for none.</param>
/// <param name="Settings">The settings that are not the first.</param>
/// <param name="NeedNs">What its periodic endpoints need, in nanoseconds of each microframe.</param>
internal sealed record DeviceChoice(byte[] Configuration, ImmutableDictionary<byte, byte> Settings, uint NeedNs)
{
    /// <summary>A device that has no configuration.</summary>
    public static DeviceChoice None { get; } = new([], First, 0);

    /// <summary>What it will be after a request.</summary>
    /// <param name="setup">SET_CONFIGURATION or SET_INTERFACE.</param>
    /// <param name="configurationOf">The configuration of a value, as the device sent it.</param>
    /// <param name="isSplit">Whether the device is slower than high speed.</param>
    /// <param name="isMerged">Whether what it takes of the bus below a translator counts, as if that were the bus above.</param>
    /// <returns>Null where nobody can tell, since the device never sent that configuration.</returns>
    public DeviceChoice? After(in SetupPacket setup, Func<byte, byte[]> configurationOf, bool isSplit, bool isMerged)
    {
        if (setup.Request != (byte)StandardRequest.SetConfiguration)
            return Of(Configuration, Settings.SetItem((byte)setup.Index, (byte)setup.Value), isSplit, isMerged);
        if ((byte)setup.Value == 0)
            return None;
        byte[] configuration = configurationOf((byte)setup.Value);
        return configuration.Length == 0 ? null : Of(configuration, First, isSplit, isMerged);
    }

    private static ImmutableDictionary<byte, byte> First => ImmutableDictionary<byte, byte>.Empty;

    private static DeviceChoice Of(byte[] configuration, ImmutableDictionary<byte, byte> settings, bool isSplit, bool isMerged) =>
        new(configuration, settings, PeriodicNeeds.Of(configuration, number => settings.GetValueOrDefault(number), isSplit, isMerged));
}

/// <summary>A device of a guest that was told to be something.</summary>
/// <param name="port">The root port behind which it is, from 1; null where nobody knows.</param>
internal sealed class GuestDevice(int? port)
{
    /// <summary>The root port behind which it is, from 1; null where nobody knows.</summary>
    public int? Port => port;

    /// <summary>What it is.</summary>
    public DeviceChoice Choice { get; set; } = DeviceChoice.None;

    /// <summary>What it will be, where a request that was granted is under way.</summary>
    public DeviceChoice? Next { get; set; }

    /// <summary>What is promised for it, in nanoseconds of each microframe: the larger of what it needs and will need.</summary>
    public uint PromisedNs => Math.Max(Choice.NeedNs, Next?.NeedNs ?? 0);
}
